// How long each picture is kept, counted down.
import { local } from "./times.js";

for (const part of document.querySelectorAll(".scripted")) part.hidden = false;
local(document);
