"""What kava.toml may say, how it is read, and where in the file each word stands."""
