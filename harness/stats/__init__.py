"""Statistics: pure functions from curves to tests, intervals and plans; arrays in, records out."""
