//! Static programs for the server, compiled in the tool root.
