"""White cells in a blood smear: found and measured."""
