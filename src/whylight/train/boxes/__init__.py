"""The same with boxes: pictures, loss and scores of a box head."""
