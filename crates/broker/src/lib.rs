//! A whole node without sockets: the API table and one file per API.
