#!/bin/bash
# The same project.
exec "${0/%-xvfb*/}"
