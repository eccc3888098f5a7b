"""What is true here: facts, the files they are kept in, and the probes that observe them."""
