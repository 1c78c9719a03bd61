"""The functions that a converter has beside its own, for tensors that are several on one side."""

from __future__ import annotations

SPLIT = '''\
def port_split(loader, keras_variables, hf_weight_key, axis, hook_fn=None):
    """Port the shares of one tensor, along an axis, to several variables."""
    hf_tensor = loader.get_tensor(hf_weight_key)
    rest = hf_tensor.size // hf_tensor.shape[axis]
    lengths = [math.prod(variable.shape) // rest for variable in keras_variables]
    if sum(lengths) != hf_tensor.shape[axis]:
        raise ValueError(f"{hf_weight_key} has the shape {hf_tensor.shape}")
    shares = np.split(hf_tensor, np.cumsum(lengths)[:-1], axis)
    for keras_variable, share in zip(keras_variables, shares, strict=True):
        if hook_fn:
            share = hook_fn(share, list(keras_variable.shape))
        keras_variable.assign(share)
'''

UNSTACK = '''\
def port_unstacked(loader, keras_variables, hf_weight_key, axis, hook_fn=None):
    """Port the slices of one tensor, along an axis, to several variables."""
    slices = np.moveaxis(loader.get_tensor(hf_weight_key), axis, 0)
    for keras_variable, one in zip(keras_variables, slices, strict=True):
        if hook_fn:
            one = hook_fn(one, list(keras_variable.shape))
        keras_variable.assign(one)
'''

CONCAT = '''\
def port_concatenated(loader, keras_variable, hf_weight_keys, axis, hook_fn=None):
    """Port several tensors, one after the other along an axis, to one variable."""
    keras_shape = list(keras_variable.shape)
    keras_shape[axis] = -1
    shares = [loader.get_tensor(key) for key in hf_weight_keys]
    if hook_fn:
        shares = [hook_fn(share, keras_shape) for share in shares]
    keras_variable.assign(np.concatenate(shares, axis))
'''

STACK = '''\
def port_stacked(loader, keras_variable, hf_weight_keys, axis, hook_fn=None):
    """Port several tensors, one above the other, to one variable."""
    keras_shape = list(keras_variable.shape)
    del keras_shape[axis]
    slices = [loader.get_tensor(key) for key in hf_weight_keys]
    if hook_fn:
        slices = [hook_fn(one, keras_shape) for one in slices]
    keras_variable.assign(np.stack(slices, axis))
'''

SUM = '''\
def port_sum(loader, keras_variable, hf_weight_keys, hook_fn=None):
    """Port the sum of several tensors to one variable."""
    addends = [loader.get_tensor(key) for key in hf_weight_keys]
    if hook_fn:
        addends = [hook_fn(one, list(keras_variable.shape)) for one in addends]
    keras_variable.assign(functools.reduce(np.add, addends))
'''

TIED = '''\
def port_tied(loader, keras_variable, hf_weight_keys, hook_fn=None):
    """Port one tensor, of which a file may have some of its names alone."""
    found = {}
    for key in hf_weight_keys:
        with contextlib.suppress(Exception):  # of several kinds, by what the file is
            found[key] = loader.get_tensor(key)
    if not found:
        raise KeyError(hf_weight_keys[0])
    key, hf_tensor = next(iter(found.items()))
    for other, tensor in found.items():
        if not np.array_equal(tensor, hf_tensor):
            raise ValueError(f"{other} and {key} differ")
    if hook_fn:
        hf_tensor = hook_fn(hf_tensor, list(keras_variable.shape))
    keras_variable.assign(hf_tensor)
'''

CONSTANT = '''\
def check_constant(loader, hf_weight_key, value):
    """Check a tensor that Keras has no variable for."""
    if not np.all(loader.get_tensor(hf_weight_key) == value):
        raise ValueError(f"{hf_weight_key} is not {value}, as the backbone has it")
'''

IMPORTS = {"math.": "math", "functools.": "functools", "contextlib.": "contextlib"}
"""What a converter imports, by a text that needs it."""
