"""The script one writes first for Score-CAM: pytorch-grad-cam on one picture, an overlay on disk.

    python benchmarks/perturbation/obvious_scorecam.py PICTURE OUT WEIGHTS ARCHITECTURE

It is what `maps.py` compares `whylight explain --method scorecam` with; both use the same weights.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
import torchvision
from PIL import Image
from pytorch_grad_cam import ScoreCAM
from pytorch_grad_cam.utils.image import show_cam_on_image
from torchvision import transforms

picture, out, weights, architecture = sys.argv[1:]
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
opened = Image.open(picture).convert("RGB").resize((224, 224))
with ScoreCAM(model=model, target_layers=[layer]) as cam:
    heat = cam(input_tensor=preprocess(opened).unsqueeze(0), targets=None)[0]  # None: the top class
overlay = show_cam_on_image(np.asarray(opened, np.float32) / 255, heat, use_rgb=True)
Path(out).mkdir(parents=True, exist_ok=True)
Image.fromarray(overlay).save(Path(out) / f"{Path(picture).stem}.png")
