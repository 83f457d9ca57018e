"""What holds clips or what was derived from them, a module each."""
