import sys
from pathlib import Path

# importlib mode puts no test folder on the path; the hand-made verdicts lie beside these tests.
sys.path.insert(0, str(Path(__file__).parent))
