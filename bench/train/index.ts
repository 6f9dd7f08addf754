/** `npm run bench:train`: seconds until the NDCG of `implicit`'s ALS, in the same run, and how the time of a sweep grows. */
import { runPython } from "../python";

void runPython("train/train.py");
