"""What is no plain classifier, made into one: black boxes, ONNX files, detectors, segmentation networks, box heads."""
