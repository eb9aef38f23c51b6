#!/bin/sh
# Train the bundled `face` model. From the project's root:   sh recipes/face/recipe.sh [DATA-FOLDER-TO-MAKE] [RUN]
# VENV says where whylight is installed (default .venv, which `make` sets up).
# WHYLIGHT_DATA says where the pictures and initial weights lie (default ../shared/data). About 35 minutes on 2 cores.
set -eu
export WHYLIGHT_DATA="${WHYLIGHT_DATA:-$(cd ../shared/data && pwd)}"
data="${1:-out/face-data}"
run="${2:-runs/face}"
bin="${VENV:-.venv}/bin"

test -d "$data" || "$bin/python" recipes/face/prepare.py "$data"
"$bin/whylight" train "$data" --out "$run" \
    --arch torchvision/mobilenet_v2 --weights "$WHYLIGHT_DATA/weights/mobilenet_v2_imagenet.pth" \
    --fold-bn --unfreeze all --size 224 --output-stride 16 \
    --epochs 4 --batch 32 --lr 3e-4 --weight-decay 0.02 --warmup 0.15 --dropout 0.2 \
    --background "no face" --local 1 --paste 0.5 --paste-from "face/closeup/*" --repeat "face/scene/*=2" \
    --erase 0.35 --shift 0.08 --shear 8 --rotate 12 --zoom 0.25 --flip 0.5 \
    --colour 0.35 --grey 0.15 --blur 0.2 --jpeg 0.3 \
    --centre-head --calibrate --half --seed 1 --workers 1
"$bin/python" -m benchmarks.bundled.presence face --model "$run" --data "$data" --split test
