/** `npm run bench:score`: listeners a second for lists of 20, beside `implicit.recommend` and the bare matrix product. */
import { runPython } from "../python";

void runPython("score/score.py");
