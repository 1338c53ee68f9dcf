"""Segments: the reference's quantities are handed on at every tap, so each stretch is tested alone.

A scenario is a short training run made to expose. The reference runs first and every tapped value
is kept; then mine runs, each of its tapped values is compared with the reference's at the same
place, and the reference's value is handed on. What follows always starts from right inputs, so one
replay names every faulty stretch, whatever is broken before it.
"""
