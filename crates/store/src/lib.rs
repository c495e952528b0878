//! Content-addressed files: fetched by sha256 from many mirrors, verified, vaulted.
