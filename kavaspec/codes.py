"""Every code that a message may carry: what it means and what to do. Stable; never given anew.

    KV00xx  command line and files          KV05xx  not locked, or provisional
    KV01xx  the spec                        KV06xx  a broken lock
    KV02xx  facts and environment           KV07xx  values that cannot be met: one code per check
    KV03xx  a stale lock                    KV08xx  the run
    KV04xx  drift and preflight

`docs/errors.md` is written from here by `scripts/errors_page.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from kavaspec.errors import Exit


@dataclass(frozen=True, kw_only=True, slots=True)
class Code:
    """One code of the registry."""

    code: str
    title: str
    exit: Exit | None
    """The exit code of a command that ends with it; None for a warning."""
    meaning: str
    do: str


GROUPS: Mapping[str, str] = MappingProxyType(
    {
        "KV00": "Command line and files",
        "KV01": "The spec",
        "KV02": "Facts and environment",
        "KV03": "A stale lock",
        "KV04": "Drift and preflight",
        "KV05": "Not locked, or provisional",
        "KV06": "A broken lock",
        "KV07": "Values that cannot be met",
        "KV08": "The run",
    }
)

_ALL = (
    # ---- command line and files
    ("KV0001", 8, "a file is missing", "A spec, a lock or another file that the command was given, or takes by default, is not there or cannot be opened.", "Check the name and the folder that you are in; `kavaspec init` writes a spec, `kavaspec lock` a lock."),
    ("KV0002", 8, "a folder stands where a file is expected", "The path exists, and is a folder.", "Name the file in it."),
    ("KV0003", 8, "a file cannot be written", "The folder is missing, read-only or full. What was there before is unchanged.", "Make room, or name another place."),
    ("KV0004", 2, "a file would be written over", "kavaspec never replaces a file that it did not write: `init` replaces nothing, `lock` only locks.", "Name another file, or move this one away."),
    ("KV0005", 2, "a file is not UTF-8 text", "TOML is UTF-8 by definition; another encoding would change what strings mean.", "Save the file as UTF-8."),
    ("KV0006", 2, "a --set cannot be read", "`--set` takes KEY=VALUE, once for each key. The value is TOML, or else a plain word.", "Write for example `--set train.steps=10`."),
    ("KV0007", 2, "the target is not named, or is not one", "A command about one target was given a name that the spec or lock does not have, or none where there are several.", "Name one: `--target NAME`."),
    ("KV0008", 2, "an option has a value that it does not take", "The option is known, its value is not.", "Use one of the values in the message; `kavaspec COMMAND --help` lists the options."),
    ("KV0009", 2, "nothing has that name in the lock", "The key or fact is misspelt, or does not apply to this objective, so the lock does not have it.", "Take a name that the message offers; `kavaspec lock --all` prints every key."),
    ("KV0010", 8, "a folder is not a run folder", "The dashboard or `verify` was given a folder in which no run has begun.", "Name a run folder; the message lists those below."),
    ("KV0011", 8, "the dashboard cannot draw here", "There is no terminal, or it is too small or too simple.", "Use `kavaspec tui --plain`, or run without `--tui`."),
    ("KV0012", 8, "a package is not installed", "The compiler works without torch, pyarrow and textual; this command needs one of them.", "Install the extra that the message names."),
    ("KV0013", 2, "a question cannot be asked that way", "`why` explains one key, or supposes something else, or says what rests on a name: one at a time.", "Follow the message; `kavaspec why --help` has an example of each."),
    ("KV0014", 2, "the command line cannot be read", "A command, an option or an argument is misspelt, missing or too much.", "Follow the message; `kavaspec --help` lists the commands, `kavaspec COMMAND --help` the options of one."),
    ("KV0015", 2, "no line for a value", "`pin` writes a value only where the file then says this one thing more, and nothing else. A table written in one line over several others can leave no such place.", "Write the value by hand."),
    ("KV0016", 2, "no run that a device can be calibrated by", "`calibrate` needs finished runs of one kind of device, whose locks say what a step takes and whose receipts say what the process took.", "Name such runs; the message says why each of the others is none."),
    # ---- the spec
    ("KV0101", 2, "the spec is not TOML", "The text stops being TOML at the place shown. Usual slips: a word without quotes, `True` for `true`, `None`, a colon for `=`.", "Correct the line; where only one thing can be meant, `kavaspec fix` does it."),
    ("KV0102", 2, "a key is given twice", "TOML forbids it, and neither could win without guessing.", "Keep one of the two places."),
    ("KV0103", 2, "the spec has an unresolved merge conflict", "Conflict markers of git stand in the file.", "Resolve the conflict, then run `kavaspec lock`: a conflicted lock is derived anew from the spec."),
    ("KV0104", 2, "a key does not exist", "An unknown key is always an error: a misspelt one would otherwise be a setting that silently does nothing.", "Take the name that is offered (`kavaspec fix` writes it), or look in `docs/keys.md`."),
    ("KV0105", 2, "a key that is needed is missing", "The key has no default, because any would be a guess about your experiment.", "Add the line that the message shows."),
    ("KV0106", 2, "a value is of the wrong kind", "A number is not taken from a string, nor a truth from a number; and every key has limits.", "Write what is expected; where it is only quotes or spelling, `kavaspec fix` does it."),
    ("KV0107", 2, "a word is not one of the choices", "The key takes a few words, and this is none of them.", "Write one of those in the message."),
    ("KV0108", 2, "a key cannot be auto", 'No machine decides the experiment: only keys that a rule decides may be left as `"auto"`.', "Write a value."),
    ("KV0109", 2, "limits of an auto are malformed", "A constrained auto is `{ auto = true, ... }` with `min`, `max`, `multiple_of` or `one_of`; numbers for keys that are numbers.", "Correct the limit, or leave it out."),
    ("KV0110", 2, "limits of an auto leave nothing", "No value that the key can have meets all of them, on any machine.", "Widen one of those in the message."),
    ("KV0111", 2, "a key means nothing with this objective", "The objective has no such part, so the key would be without effect.", "Remove the key, or choose the objective that has it."),
    ("KV0112", 2, "a table is expected", "The name is that of a group of keys, and a value stands there.", "Open it as a table, `[train.lora]`, and write its keys in it."),
    ("KV0113", 2, "a target cannot have that name", "The name of a target becomes part of folders and of the lock.", "Use letters, digits, `.`, `_` and `-`, beginning with a letter or digit."),
    ("KV0114", 2, "a target sets a key of the experiment", "The experiment is the same on every target; that is what makes the runs comparable.", "Set the key outside of `[targets]`, or make it another experiment with a spec of its own."),
    ("KV0115", 2, "a fact file is not named by its path", "`facts` of a target is the path of a fact file, relative to the spec.", 'Write for example `facts = "facts/cluster.yaml"`.'),
    ("KV0116", 2, "a preset does not exist", "Every objective has its own presets, and this is none of them.", "Write one of those in the message, or leave `objective.preset` out."),
    # ---- facts and environment
    ("KV0201", 8, "a fact file cannot be read", "A target names it, and it is not there, a folder, or not text.", "Make it on that machine with `kavaspec facts --save NAME`, or correct the path."),
    ("KV0202", 2, "a fact file has the wrong form", "It is not YAML, or not the form that `kavaspec facts --save` writes.", "Correct the place shown, or write the file anew on that machine."),
    ("KV0203", 2, "a fact file says something unknown", "A misspelt fact would never be used, so it is refused.", "Take the name that is offered; `kavaspec facts` lists every fact."),
    ("KV0204", 2, "a fact has a wrong value", "Every fact has a kind and limits, so that rules can rely on them.", "Write what is expected; sizes may have a unit: `80GiB`."),
    ("KV0205", 8, "a fact is not known", "A key cannot be decided, because something about the machine, a model or the data could not be observed. kavaspec does not guess.", "Make it observable (the message says why it is not), or write the key in the spec."),
    ("KV0206", 8, "a model or data set is not on this machine", "It was looked for at every place in the message, and nothing was downloaded.", "Correct `source`, bring the files to one of these places, or set `KAVA_MODEL_PATH` or `KAVA_DATA_PATH`."),
    ("KV0207", 2, "there is no such builtin", "`builtin:NAME` is a model or data set inside the package.", "Write one that the message offers."),
    ("KV0208", 8, "a path rests on a variable that is not set", "A `$NAME` in the path has no value here.", "Set the variable, or write the path without it."),
    ("KV0209", 8, "a folder is not a model", "A model is a folder with config.json, weights and tokenizer, or a `.gguf` file.", "Name the folder that holds config.json."),
    ("KV0210", 8, "a file of a model is damaged or missing", "The file is cut short, is not what its name says, or another one names it and it is not there.", "Download or copy the model again."),
    ("KV0211", 8, "a model has its weights only as a pickle", "Loading a pickle can run any code, so kavaspec never does.", "Use the same model saved as safetensors."),
    ("KV0212", 8, "a model cannot be used", "transformers cannot make a causal language model from its config without running foreign code.", "Follow the message, or use another model."),
    ("KV0213", 7, "a model does not have what the spec asks of it", "The spec names a part, such as a layer, that the model does not have.", "Correct the key in the message."),
    ("KV0214", 8, "a tokenizer cannot be used", "It is missing beside the model, unreadable, or has no end-of-text token.", "Copy tokenizer.json and tokenizer_config.json beside the weights."),
    ("KV0220", 8, "a data file cannot be read", "The file is damaged or not readable.", "Download or copy it again, and check its permissions."),
    ("KV0221", 7, "data has no such split", "A folder has the splits that its files are named after; a single file has one, `train`.", "Name a split that is there, or hold rows out with `train[:-100]` and `train[-100:]`."),
    ("KV0222", 8, "a row cannot be read", "A line of a .jsonl file is one JSON object: a row of named columns.", "Correct the line in the message."),
    ("KV0223", 2, "that is not a split", "A split is a name, or a part of one in brackets.", "Write for example `train` or `train[:1000]`."),
    ("KV0224", 8, "data is in a form that is not read", "Rows come from .jsonl and .parquet files, or a folder of them.", "Convert the file; for .csv the message has a line that does it."),
    ("KV0226", 2, "a fact file is about something else", "Facts about models and data say which source they were seen at, and facts about a machine belong to a target. A file in the wrong place would give a lock of another experiment.", "Follow the message: name the file in the right place, or make it anew with `kavaspec facts --spec kava.toml --save NAME`."),
    ("KV0227", 8, "a fact gives a value that its key cannot have", "A rule takes the value from a fact, and what the fact says is nothing that the key can be: a version with a space, no memory at all.", "Correct the fact in its file, observe it again with `kavaspec lock --refresh`, or write the key in kava.toml."),
    ("KV0228", 7, "a row lacks a column", "Other rows have the column that a template names; these lack it, or have null there, which is no text.", "Complete the rows in the message, or take them out."),
    ("KV0229", 7, "no row teaches anything", "What `data.completion` names is empty in every row to train on.", "Name the column that holds the text to learn."),
    ("KV0225", 8, "a cell of the data is of a kind that has no digest", "What the data is, is a SHA-256 over its cells: text, numbers, truths, lists and tables.", "Leave the column out, or store it as text."),
    # ---- a stale lock
    ("KV0301", 3, "the lock is stale", "The spec, its facts and the rules now give something else than the lock says. Every difference is listed, causes first.", "Run `kavaspec lock`, and look at what changed before you commit it."),
    ("KV0302", 3, "the lock does not follow from its own facts", "Its seals fit, and still the rules give something else from the facts that it records: something was changed or taken out by hand, or by a merge.", "Restore it with `git checkout kava.lock`, or derive it again with `kavaspec lock`."),
    # ---- drift and preflight
    ("KV0401", 4, "a guard does not hold on this machine", "A locked value is valid only under a condition on the machine, and this machine does not meet it.", "Lock for this machine (`kavaspec lock --refresh`), or run where the condition holds."),
    ("KV0402", 4, "the files are not those that were locked", "The digest of a model here differs from the one in the lock: it is another experiment.", "Bring the files that were locked, or lock again and get a new experiment id."),
    ("KV0403", 4, "there is not enough free memory", "What a step's tensors need, or at the very least the student with its gradients and moments, is not free now.", "Free some memory, or run where there is more."),
    ("KV0404", 8, "no place for run folders can be written", "`run` tries every place of `paths.output`: a folder and a file are made, synced and removed. None passed. A place that `KAVA_OUTPUT_PATH` names is not passed over.", "Set `KAVA_OUTPUT_PATH` to a folder that you may write to."),
    ("KV0405", 4, "the data is not that which was locked", "The digest over the rows differs from the one in the lock.", "Bring back the rows, or lock again with `kavaspec lock --refresh`."),
    ("KV0406", 4, "a model's cache is not what was locked", "The loaded model leaves keys and values of another number or width than the lock says.", "Check `source`; if the model is right, lock again."),
    ("KV0408", 4, "no target of the lock fits here", "The lock has several targets, and on this machine a guard of each fails.", "Add a target for this machine to kava.toml and lock; `--target NAME` shows all that one of them needs."),
    ("KV0409", 8, "there is too little room on the disk", "The checkpoints that are kept, one more while it is written, and the last student would not fit. What the run folder holds already is taken off.", "Make room, choose another place with `KAVA_OUTPUT_PATH`, or keep fewer checkpoints (`checkpoint.keep`) and lock again."),
    ("KV0410", 8, "no place for what can be made again", '`train.teacher_placement = "cached"` keeps what the teacher sees in `paths.cache`, and no place of it can be used here.', "Set `KAVA_CACHE_PATH` to a folder that you may write to."),
    ("KV0407", 4, "the student has no such layer for LoRA", "`train.lora.targets` names layers that the loaded student does not have.", "Name linear layers that the message lists."),
    # ---- not locked, or provisional
    ("KV0501", 5, "a spec was given where a lock is needed", "`run` obeys only locks: what a spec leaves open, nobody has decided yet.", "Lock it first: `kavaspec lock SPEC`."),
    ("KV0502", 5, "the experiment is provisional", "Something that defines the experiment was never seen, such as the weights of a model.", "Run `kavaspec lock` where the models and data are."),
    ("KV0503", 5, "the lock does not decide a key that this version needs", "The lock is older than the key.", "Run `kavaspec lock` with this version."),
    # ---- a broken lock
    ("KV0601", 6, "that is not a lock", "The file is not YAML, not text, or has no `lock_version`.", "Restore it with `git checkout kava.lock`, or derive it again with `kavaspec lock`."),
    ("KV0602", 6, "the lock has an unresolved merge conflict", "Conflict markers of git stand in the file.", "Resolve kava.toml, then run `kavaspec lock`."),
    ("KV0603", 6, "the lock is of an unknown version", "Another kavaspec wrote it. It is never written over.", "Use the kavaspec that wrote it, or a newer one."),
    ("KV0604", 6, "a block was edited by hand", "Its seal does not fit what it says: the value was not decided by anybody.", "A key: write the value in kava.toml instead and lock again. A fact: `kavaspec lock --refresh`, or correct its fact file. Or restore the lock."),
    ("KV0605", 6, "the lock ends early", "Part of the file is missing.", "Restore it with `git checkout kava.lock`, or derive it again with `kavaspec lock`."),
    ("KV0606", 6, "a block of the lock is malformed", "A block lacks a field, or has one of the wrong type.", "Restore it with `git checkout kava.lock`, or derive it again with `kavaspec lock`."),
    ("KV0607", 6, "the lock speaks of something unknown", "A key, rule or objective in it is not known to this version.", "Use the kavaspec that wrote it, or a newer one."),
    ("KV0608", 6, "a locked value is of the wrong kind", "The seal fits, and the value is still none that the key can have.", "Derive the lock again with `kavaspec lock`."),
    ("KV0609", 6, "the lock cannot be written in the new format", "Writing it anew would change an id, which a format must never do. Nothing was changed.", "This is a bug: please report it."),
    ("KV0610", 6, "the sides of a merge set a key differently", "Both branches were locked with `--set` for one key, with different values. Neither is taken by chance.", "Say which it is: `kavaspec lock --set KEY=VALUE`, or write one of the two values into kava.toml and lock."),
    # ---- values that cannot be met
    ("KV0701", 7, "a key cannot be decided", "Its rule found no value that suits the others.", "Follow the message: it names the values in the way, and the nearest that work."),
    ("KV0702", 7, "limits of an auto leave nothing that is possible here", "What the spec allows and what is possible on this target do not meet.", "Widen the limit that is marked; the nearest that works stands beside it."),
    ("KV0710", 7, "the batch does not split", "micro_batch x accumulation x world must be global_batch, exactly: a batch of another size is another experiment.", 'Take one of the repairs in the message, or leave the numerics as `"auto"`.'),
    ("KV0711", 7, "there are not enough rows for one step", "The rows of `data.split` do not fill one global batch.", 'Make the global batch smaller, take more rows, or set `data.tail = "wrap"`.'),
    ("KV0712", 7, "the prompt names a column that is not there", "`data.prompt` has a `{column}` that the data does not have.", "Write one of the columns in the message."),
    ("KV0713", 7, "the completion names a column that is not there", "`data.completion` has a `{column}` that the data does not have.", "Write one of the columns in the message."),
    ("KV0714", None, "the prompt names no column", "Every row would begin with the same text; mostly the braces were forgotten.", "Write a column in braces."),
    ("KV0715", None, "the completion names no column", "Every row would teach the same text; mostly the braces were forgotten.", "Write a column in braces."),
    ("KV0716", 7, "there are no held-out rows", "The result is judged on rows that were not trained on, and there are none.", "Name another `data.eval_split`."),
    ("KV0717", None, "a trained projector can collapse", "With the projector on the teacher's side and no cross-entropy, both sides move: the cosine rises to 1 even for unrelated text.", "Project the student's side, or give the cross-entropy a weight."),
    ("KV0718", None, "a projector is never trained", "Its term has weight 0, so it takes memory for nothing.", "Leave the tensor out, or give it a weight."),
    ("KV0719", 7, "the device cannot be used", "The spec names a device that is not there, or that the installed torch cannot use.", 'Leave `train.device` as `"auto"`, or install the torch for this device.'),
    ("KV0720", 7, "the teacher is another than the digest says", "`model.teacher.digest` was written by hand, and the files found have another.", "Bring the right files, or leave the digest out."),
    ("KV0721", 7, "the student is another than the digest says", "`model.student.digest` was written by hand, and the files found have another.", "Bring the right files, or leave the digest out."),
    ("KV0722", 7, "the data is other than the digest says", "`data.digest` was written by hand, and the rows found have another.", "Bring the right rows, or leave the digest out."),
    ("KV0723", 7, "the student's layers differ in width", "A mean of layers needs layers of one width.", "Compare them one by one, concatenate them, or name layers of one width."),
    ("KV0724", 7, "the teacher's layers differ in width", "A mean of layers needs layers of one width.", "Compare them one by one, concatenate them, or name layers of one width."),
    ("KV0725", 7, "the student has no such layer to compare", "`objective.kv.layers` names a layer that does not exist, or keeps no keys and values of its own.", "Name layers that the message lists."),
    ("KV0726", 7, "the teacher has no such layer to compare", "`objective.kv.layer_map` names a layer that does not exist, or keeps no keys and values of its own.", "Name layers that the message lists."),
    ("KV0727", 7, "layers cannot be paired", "Compared layer by layer, every student layer needs its one teacher layer.", "Leave `objective.kv.layer_map` out, or make both lists equally long."),
    ("KV0728", 7, "rows are longer than the student reads", "`data.max_length` is above what the student was made for.", "Write at most the number in the message; longer rows are cut."),
    ("KV0729", 7, "rows are longer than the teacher reads", "`data.max_length` is above what the teacher was made for.", "Write at most the number in the message; longer rows are cut."),
    ("KV0730", 7, "a split has no rows", "The file is empty, or the part in brackets selects nothing.", "Choose another part or another split."),
    ("KV0731", None, "the micro-batch may not fit in memory", "By what is known of memory, so many rows do not fit at once; a number written by hand may know better.", 'Leave it as `"auto"`, or try it with `kavaspec run --smoke 3`.'),
    ("KV0732", 7, "processes cannot share the student that way", "`single` is for one process, the others are for several.", 'Leave `train.parallel` as `"auto"`.'),
    ("KV0733", 7, "weights cannot be trained in that dtype", "float16 weights cannot be trained with a scaled loss.", "Keep the weights in float32."),
    ("KV0735", 7, "the device cannot train in that precision", "The device emulates it, computes it wrongly, or not at all.", 'Leave `train.precision` as `"auto"`.'),
    ("KV0736", 7, "the projector does not fit the width that enters", "`in_dim` is not the width of the side that is projected.", 'Leave it as `"auto"`.'),
    ("KV0737", 7, "the projector does not fit the width that leaves", "`out_dim` is not the width of the other side.", 'Leave it as `"auto"`.'),
    ("KV0738", 7, "a projector is needed", "Without one, both sides must have the same width.", "Choose a kind of projector."),
    ("KV0739", 7, "the projector's middle has a wrong width", "One width for each projector, and for `low_rank` it is the rank.", 'Leave `hidden_dim` as `"auto"`.'),
    ("KV0740", None, "the rank is not low", "From the narrower width on, `linear` can do the same with fewer parameters.", 'Write a smaller rank, or `kind = "linear"`.'),
    ("KV0741", 7, "the device cannot keep that promise", "The reproducibility that was asked for is more than the device can give.", "Ask for less, or train on another device."),
    ("KV0742", 7, "teacher and student have different tokenizers", "Their caches are compared token by token, so they must read the same tokens.", "Take both from one family of models."),
    ("KV0743", 7, "another Python is here", "The version that the spec names is not the one that is installed.", 'Leave it as `"auto"`, or install that version.'),
    ("KV0744", 7, "another torch is here", "The version that the spec names is not the one that is installed.", 'Leave it as `"auto"`, or install that version.'),
    ("KV0745", 7, "another transformers is here", "The version that the spec names is not the one that is installed.", 'Leave it as `"auto"`, or install that version.'),
    ("KV0746", 7, "nothing would be learned", "Every term of the objective has weight 0.", "Give one of them a weight."),
    ("KV0747", 7, "a weighted mean has no weights", "Weights are normalised to sum 1, which zeros cannot be.", "Give `weight_start` or `weight_stop` a value."),
    ("KV0748", 7, "steps and epochs disagree", "Both are written, and they give different lengths of the run.", "Leave one of them out."),
    ("KV0749", 7, "nobody can tell what the student starts as", "It comes from files of its own, or from the teacher's layers: one of the two.", "Follow the message."),
    ("KV0750", 7, "the teacher has no such layer to keep", "`model.student.layers` names a layer that does not exist, or one twice.", "Name layers that the teacher has, each once."),
    ("KV0751", 7, "more threads than cores", "Threads beyond the usable cores wait for each other.", 'Write the number in the message, or leave it as `"auto"`.'),
    ("KV0752", None, "padding counts as text", "The mean then depends on how long the other rows of the batch are.", 'Set `objective.kv.mask = "attention"`.'),
    ("KV0753", 7, "the warmup is longer than the run", "The peak learning rate would never be reached.", "Make the warmup shorter."),
    ("KV0754", 7, "the teacher's width is wrong", "`objective.kv.teacher_dim` is not what the teacher leaves in its cache.", 'Leave it as `"auto"`.'),
    ("KV0755", 7, "the student's width is wrong", "`objective.kv.student_dim` is not what the student leaves in its cache.", 'Leave it as `"auto"`.'),
    ("KV0756", 7, "more than one process", "This version trains with one process.", "Set `train.world = 1`."),
    ("KV0757", 7, "a small step in that precision came out wrong", "Before anything is decided, one small training step is tried in each dtype and compared with float32. In this one the result was wrong, or it could not be run.", "Leave `train.precision` to `auto`, or try another version of torch and lock with `--refresh`."),
    ("KV0758", 7, "rows are cut before their completion", "`data.max_length` is so small that in most rows the prompt alone fills it. Without a token of the completion there is nothing to predict.", "Write at least the number in the message, or leave `data.max_length` out."),
    ("KV0759", None, "rows are cut", "Rows longer than `data.max_length` lose their end: the end-of-text token, and mostly the final answer. The shares come from quantiles, so they are lower bounds.", "Write a greater `data.max_length`, or leave it out; or leave such rows out of the data."),
    ("KV0760", None, "fewer held-out rows than are asked for", "All held-out rows are judged, and the number in the spec is greater.", "Write the number that there is, or name a longer `data.eval_split`."),
    ("KV0761", 7, "answers are not marked", "Exact match compares what stands after `eval.answer_after`, and a held-out completion that is to be judged does not hold that text.", "Name the text that marks the final answer, or set `eval.exact_match_rows = 0`."),
    ("KV0762", None, "answers are longer than the student may write", "An answer is stopped after `eval.max_new_tokens`; the final answer usually comes last.", "Write at least the number in the message."),
    ("KV0763", 7, "no answer fits the student", "Even the shortest held-out prompt and `eval.max_new_tokens` together are more than the student was made for.", "Write at most the number in the message."),
    ("KV0764", None, "rows are empty", "In these rows every column of the prompt, or every one of the completion, is empty: they ask nothing, or teach to be silent.", "Write what is missing, or take the rows out."),
    ("KV0765", None, "the teacher's tokenizer is not known", "The run makes tokens with the student's tokenizer. Whether the teacher was trained on the same ones cannot be compared.", "Copy the teacher's tokenizer.json beside its weights."),
    ("KV0766", None, "some answers do not fit the student", "The longest held-out prompt and `eval.max_new_tokens` together are more than the student was made for. Whether that row is asked depends on `eval.exact_match_rows`.", "Write at most the number in the message, or leave such rows out."),
    ("KV0767", 7, "a cached teacher with padding compared", "`train.teacher_placement = \"cached\"` keeps the teacher's keys and values of each row. What stands in padding depends on the rows beside it.", "Compare tokens only, or let the teacher compute."),
    ("KV0768", 7, "the student does not fit in memory", "Its weights, gradients and moments stay in memory for the whole run, and they alone are more than the device has.", "Fewer bits for moments or weights, adapters, or a larger device."),
    ("KV0769", 7, "a step does not fit in memory", "What its tensors take is known from the real step, and it is more than the device has.", "Fewer rows at once, or `train.gradient_checkpointing = true`: neither changes the experiment."),
    ("KV0770", None, "the projector is larger than the student", "It is thrown away after training, and its weights, gradients and moments take memory until then.", "Choose `low_rank`, which goes through a narrow middle."),
    # ---- the run
    ("KV0801", 1, "memory ran out while training", "A step needed more memory than there is. The last checkpoint is whole.", "Write a smaller `train.micro_batch` that divides it, and lock again: the experiment stays the same."),
    ("KV0802", 4, "memory ran out in the rehearsal", "The provisional micro-batch was tried with one step at full length, and does not fit.", "Write a smaller `train.micro_batch` that divides it, and lock again: the experiment stays the same."),
    ("KV0803", 8, "the run folder cannot be written", "The disk is full, or the folder is not yours. The last checkpoint is whole.", "Make room or choose another `paths.output`, then resume."),
    ("KV0804", 8, "the next batch is not the one that was saved", "A resume proves itself before it trains: data, tokenizer or order changed.", "Resume where the run was started."),
    ("KV0805", 8, "the loss is not the one that was saved", "A resume proves itself before it trains: teacher, software, threads or device changed.", "Resume where the run was started."),
    ("KV0806", 8, "the run folder belongs to another run", "It holds another experiment, or the same with other numerics.", "Start with `--run NAME`; or go on with `--resume --allow numerics`."),
    ("KV0807", 8, "the run folder is taken", "It holds a finished, unfinished or busy run, or things that are no run; or there is nothing to resume.", "Follow the message: `--resume`, `--run NAME`, or move the folder away."),
    ("KV0808", 85, "the run was stopped at once", "The second interrupt does not wait for the step to end. The last checkpoint is whole.", "Go on with `kavaspec run LOCK --resume`."),
    ("KV0809", 8, "a model cannot be loaded", "The files are there, and transformers cannot load them.", "It has to be a folder with config.json and .safetensors files, or a `.gguf` file."),
    ("KV0810", 7, "an answer cannot be judged", "A held-out row has no text that marks its final answer.", "Name the mark in `eval.answer_after`, or set `eval.exact_match_rows = 0`."),
    ("KV0811", 7, "the student computes something that this version does not", "Its logits are changed after the vocabulary head.", "Choose another student."),
    ("KV0812", 7, "nothing to predict", "None of the rows of a step, or none of those that the student is judged on, has a token to predict. A mean over nothing is no loss of 0, so it is refused.", "Write a greater `data.max_length`, or leave it out."),
    ("KV0813", 1, "attempts that save nothing", "Three attempts on one run folder in a row ended before any of them saved a checkpoint. A scheduler that queues such a job again would do so for ever, so this time the exit code does not ask for it.", "Give the job more time, or lower `checkpoint.every` and lock again. The attempt after this one is let through."),
    ("KV0821", 12, "a run is not what was written", "`verify` held a run folder against its own lock, digests, events and receipt, and they do not fit each other. The message names the file and what does not fit.", "Take the folder from a copy, or run its lock again with `--run NAME`."),
    ("KV0822", 12, "two runs do not agree", "`verify A B` found less in common than `train.reproducibility` promises: other bits, other rows, or other experiments.", "The output names the first step that differs and the likely cause; [verifying.md](verifying.md) says what to do about each."),
)  # fmt: skip

CODES: Mapping[str, Code] = MappingProxyType(
    {
        code: Code(
            code=code,
            title=title,
            exit=None if exit is None else Exit(exit),
            meaning=meaning,
            do=do,
        )
        for code, exit, title, meaning, do in _ALL
    }
)
"""Code -> what it means, in order."""
