"""Training of ported networks: losses, the loop, callbacks, checkpoints. The engine gives the gradients."""
