"""Apache ZooKeeper as of 3.8.5: the data tree, the ensemble that replicates it (Zab), and the client."""
