"""The script one writes first: pytorch-grad-cam in a loop over a folder, an overlay for each picture.

    python benchmarks/speed/obvious.py PICTURES OUT WEIGHTS ARCHITECTURE

It is what `folder.py` compares `whylight explain` with; both use the same weights and write the same kind of file.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
import torchvision
from PIL import Image
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.image import show_cam_on_image
from torchvision import transforms

pictures, out, weights, architecture = sys.argv[1:]
model = getattr(torchvision.models, architecture)(weights=None)
model.load_state_dict(torch.load(weights, weights_only=True))
model.eval()
layer = model.layer4[-1] if architecture.startswith("resnet") else model.features[-1]
preprocess = transforms.Compose(
    [
        transforms.Resize((224, 224)),
        transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ]
)
Path(out).mkdir(parents=True, exist_ok=True)

with GradCAM(model=model, target_layers=[layer]) as cam:
    for path in sorted(Path(pictures).iterdir()):
        picture = Image.open(path).convert("RGB")
        heat = cam(input_tensor=preprocess(picture).unsqueeze(0), targets=None)[0]  # None: the top class
        overlay = show_cam_on_image(np.asarray(picture, np.float32) / 255, heat, use_rgb=True)
        Image.fromarray(overlay).save(Path(out) / f"{path.stem}.png")
