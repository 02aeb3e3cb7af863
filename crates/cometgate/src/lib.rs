//! cometgate
