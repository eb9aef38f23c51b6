#!/bin/sh
# Train the small vision transformer that draws `legrad` and `rollout` for the gallery, on the pictures of the `face` recipe.
# From the project's root:   sh recipes/face/vit.sh [DATA-FOLDER] [RUN]      About 20 minutes on 2 cores.
set -eu
data="${1:-out/face-data}"
run="${2:-runs/vit}"
"${VENV:-.venv}/bin/whylight" train "$data" --out "$run" --arch test_vit --scratch --size 192 \
    --epochs 18 --batch 32 --lr 2e-3 --weight-decay 0.05 --warmup 0.1 \
    --background "no face" --paste 0.4 --paste-from "face/closeup/*" \
    --shift 0.08 --rotate 10 --zoom 0.25 --flip 0.5 --colour 0.3 --grey 0.1 --half --seed 1 --workers 1
