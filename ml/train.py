"""Entry point of the training job (SageMaker script mode)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from segue_ml.training import main

if __name__ == "__main__":
    sys.exit(main())
