"""The version of the project."""

NAME = "surgmask"
VERSION = "0.1.0"
