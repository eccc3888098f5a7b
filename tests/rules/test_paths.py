import pytest

from kavaspec.rules.paths import paths_cache, paths_data, paths_models, paths_output

SITE = ("$SCRATCH", "$LOCAL_SCRATCH", "/scratch/$USER")


@pytest.mark.parametrize(
    ("decide", "places", "value", "because"),
    [
        (
            paths_data,
            SITE,
            (
                "$KAVA_DATA_PATH",
                "$SCRATCH/kava/data",
                "$LOCAL_SCRATCH/kava/data",
                "/scratch/$USER/kava/data",
                "./data",
            ),
            "$KAVA_DATA_PATH comes first, then 3 scratch places of this site, then the project",
        ),
        (
            paths_models,
            ("$WORK",),
            ("$KAVA_MODEL_PATH", "$WORK/kava/models", "./models"),
            "$KAVA_MODEL_PATH comes first, then 1 scratch place of this site, then the project",
        ),
        (
            paths_output,
            SITE,
            (
                "$KAVA_OUTPUT_PATH",
                "$SCRATCH/kava/runs",
                "/scratch/$USER/kava/runs",
                "./runs",
            ),
            "$KAVA_OUTPUT_PATH comes first, then 2 scratch places of this site, then the project",
        ),
        (
            paths_cache,
            SITE,
            (
                "$KAVA_CACHE_PATH",
                "$LOCAL_SCRATCH/kava/cache",
                "$SCRATCH/kava/cache",
                "/scratch/$USER/kava/cache",
                "./cache",
            ),
            "$KAVA_CACHE_PATH comes first, then 3 scratch places of this site, then the project",
        ),
        (
            paths_data,
            (),
            ("$KAVA_DATA_PATH", "./data"),
            "$KAVA_DATA_PATH comes first, then the project",
        ),
        (
            paths_data,
            None,
            ("$KAVA_DATA_PATH", "./data"),
            "$KAVA_DATA_PATH comes first, then the project",
        ),
    ],
    ids=["data", "models", "output", "cache", "laptop", "unknown"],
)
def test_paths(decide, places, value, because):
    decision = decide(places)
    assert (decision.value, decision.because) == (value, because)


def test_conventions_that_this_site_does_not_follow_are_named():
    assert [(no.value, no.because) for no in paths_data(SITE).rejected] == [
        ("$PSCRATCH/kava/data", "no such place to write here"),
        ("$WORK/kava/data", "no such place to write here"),
        ("$SCRATCHDIR/kava/data", "no such place to write here"),
        ("/work/$USER/kava/data", "no such place to write here"),
    ]


def test_runs_never_go_to_a_disk_that_is_emptied():
    reasons = {no.value: no.because for no in paths_output(SITE).rejected}
    assert reasons["$LOCAL_SCRATCH/kava/runs"] == "is emptied when the job ends"
