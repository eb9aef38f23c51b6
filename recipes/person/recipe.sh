#!/bin/sh
# Train the bundled `person` model. From the project's root:   sh recipes/person/recipe.sh [DATA-FOLDER-TO-MAKE] [RUN]
# VENV says where whylight is installed (default .venv, which `make` sets up).
# WHYLIGHT_DATA says where the pictures and initial weights lie (default ../shared/data). About 45 minutes on 2 cores.
set -eu
export WHYLIGHT_DATA="${WHYLIGHT_DATA:-$(cd ../shared/data && pwd)}"
data="${1:-out/person-data}"
run="${2:-runs/person}"
bin="${VENV:-.venv}/bin"

test -d "$data" || "$bin/python" recipes/person/prepare.py "$data"
"$bin/whylight" train "$data" --out "$run" \
    --arch torchvision/mobilenet_v2 --weights "$WHYLIGHT_DATA/weights/mobilenet_v2_imagenet.pth" \
    --fold-bn --unfreeze all --size 256 --output-stride 16 \
    --epochs 6 --batch 32 --lr 3e-4 --weight-decay 0.02 --warmup 0.15 --dropout 0.2 \
    --background "no person" --local 1 --paste 0.35 --paste-from "person/closeup/*" \
    --repeat "*/coco128-*=3" --repeat "person/scene/coco128-*=2" --repeat "person/scene/pennfudan-*=2" --repeat "no person/inria-*=2" \
    --erase 0.2 --shift 0.08 --shear 8 --rotate 8 --zoom 0.25 --flip 0.5 \
    --colour 0.35 --grey 0.15 --blur 0.2 --jpeg 0.3 \
    --centre-head --calibrate --half --seed 1 --workers 1
"$bin/python" benchmarks/presence.py person --model "$run" --data "$data" --split test
