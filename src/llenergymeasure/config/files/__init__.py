"""Config files on disk: listed, begun, multiplied into a grid."""
