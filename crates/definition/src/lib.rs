//! server.toml, role.toml, board.toml: types, validation, composition along the Cargo graph.
