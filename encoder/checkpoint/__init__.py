"""Weights from any checkpoint of the field, and files for other programs.

Reading, in this order: `tensor_file` and `safe_open` open files, `formats/` and `key_map` have the
names of their tensors, `families` recognises the model, `overrides` are facts from the user,
`infer_config` and `parse` describe the encoder in the file, `adapt` fits it to the wanted one,
`load` reads the weights, `load_report` describes the result. Writing: `export`, `formats/`.
"""
