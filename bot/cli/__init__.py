"""The subcommands of ``tumorscan``: each module has ``add_arguments(parser)`` and ``run(args) -> int``."""
