"""For the model maker: data, augmentation, training, export, calibration and evaluation (needs TensorFlow)."""
