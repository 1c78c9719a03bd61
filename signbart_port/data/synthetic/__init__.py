"""SYNTHETIC datasets: a drawn skeleton performs invented signs.

They are for trying things out, and for tests, without any download. Nobody signed, no data of real
people went in, and the signs belong to no sign language: a model trained on them cannot recognize
real signing. So everything that is written says `synthetic`.
"""

from signbart_port.data.synthetic.writing import Written as Written
from signbart_port.data.synthetic.writing import write as write
