"""SYNTHETIC datasets: a drawn skeleton performs invented signs.

For trying things out, and for tests, without any download. Nobody signed, no data of people went
in, and the signs belong to no sign language: what is trained on them is of no use on people. So
everything that is written says `synthetic`.
"""

from signbart_port.data.synthetic.writing import Written as Written
from signbart_port.data.synthetic.writing import write as write
