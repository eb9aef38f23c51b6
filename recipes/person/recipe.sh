#!/bin/sh
# Train the bundled `person` model. From the project's root:   sh recipes/person/recipe.sh [DATA-FOLDER-TO-MAKE] [RUN]
# VENV says where whylight is installed (default .venv, which `make` sets up).
# WHYLIGHT_DATA says where the pictures and initial weights lie (default ../shared/data). About 40 minutes on 2 cores.
# Three runs, each from the one before: at 256 pixels, then at 320 with fewer changes, where small people are large enough to see.
set -eu
export WHYLIGHT_DATA="${WHYLIGHT_DATA:-$(cd ../shared/data && pwd)}"
data="${1:-out/person-data}"
run="${2:-runs/person}"
bin="${VENV:-.venv}/bin"

step() { # OUT is set by the caller
    "$bin/whylight" train "$data" --out "$OUT" --arch torchvision/mobilenet_v2 --unfreeze all --output-stride 16 \
        --batch 32 --weight-decay 0.02 --warmup 0.15 --dropout 0.2 \
        --background "no person" --local 1 --paste-from "person/closeup/*" \
        --repeat "person/scene/coco128-*=4" --repeat "no person/coco128-*=3" \
        --repeat "person/scene/pennfudan-*=2" --repeat "no person/inria-*=2" \
        --shift 0.08 --shear 8 --rotate 8 --zoom 0.25 --flip 0.5 --colour 0.35 --grey 0.15 --blur 0.2 --jpeg 0.3 \
        --centre-head --calibrate --half --workers 1 "$@"
}

test -d "$data" || "$bin/python" recipes/person/prepare.py "$data"
OUT="$run-256" step --weights "$WHYLIGHT_DATA/weights/mobilenet_v2_imagenet.pth" --fold-bn \
    --size 256 --epochs 5 --lr 3e-4 --paste 0.35 --erase 0.2 --seed 1
OUT="$run-320" step --weights "$run-256" --size 320 --epochs 5 --lr 1.5e-4 --paste 0.2 --erase 0.1 --seed 1
OUT="$run" step --weights "$run-320" --size 320 --epochs 3 --lr 1e-4 --paste 0.2 --erase 0.1 --seed 2
"$bin/python" -m benchmarks.bundled.presence person --model "$run" --data "$data" --split test
