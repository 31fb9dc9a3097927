"""The main job on real parts: a center loses its power, the laboratory goes on, and every acknowledgement is checked."""
