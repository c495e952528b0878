//! Layers, initramfs, disk, ISO: from a definition to a medium.
