"""How orders come in and outcomes go out: ports of a running pipeline, injectors."""
