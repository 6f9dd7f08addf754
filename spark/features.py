"""What Glue starts: the features of a run, past one machine. `--help` lists the arguments."""

import sys

from segue_features.job import main

main(sys.argv[1:])
