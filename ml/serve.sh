# Starts the scoring server when the PyTorch training image is run as `serve`. The image's entry point evaluates its
# argument in bash, and BASH_ENV makes that bash, like any other, read this file first: so it defines one function
# and does nothing else.
serve() {
  local here python
  here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)" || return
  python="$(command -v python || command -v python3)" || { echo "serve: no python on PATH" >&2; return 127; }
  unset BASH_ENV
  PYTHONPATH="$here${PYTHONPATH:+:$PYTHONPATH}" exec "$python" -m segue_ml.serve
}
