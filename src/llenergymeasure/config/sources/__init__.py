"""Where config values are written: YAML files, the environment, the command line."""
