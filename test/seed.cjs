// The cases of the property tests are the same in each run, so that a run judges the change and not the day;
// SEGUE_SEED asks for others.
require("fast-check").configureGlobal({ seed: Number(process.env.SEGUE_SEED ?? 1) });
