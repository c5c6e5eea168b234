package bolt

// maxValue is how many bytes a result may take: 256 MB, or 32 MB on a 32-bit machine, where
// a file can have 2 GB. bbolt says 2 GB, but never splits a page of four results or fewer,
// and counts the bytes of a page in 32 bits. Four of 256 MB have been tried.
const maxValue = 1 << (25 + 3*(^uint(0)>>63))
