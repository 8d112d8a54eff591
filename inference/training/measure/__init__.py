"""What a model is worth: calibration and figures."""
