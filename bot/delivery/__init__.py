"""How updates come in and messages go out: nothing is lost, nothing comes twice, limits are kept."""
