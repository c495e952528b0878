//! QEMU as a test machine.
