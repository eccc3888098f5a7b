"""Pure functions from what is known to lines of text, shared by screens, plain mode and tests."""
