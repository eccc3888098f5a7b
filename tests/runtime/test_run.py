def test_smoke(world):
    end, events = world.run()
    for e in events:
        print(e)
    print(end)
    import os

    for p in sorted((world.root / "run").rglob("*")):
        print(p)
    print((world.root / "run" / "receipt.json").read_text())
