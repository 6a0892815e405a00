"""
The promise under crashes: nothing is lost, and nothing is sent twice in silence, whenever the program dies.

    oracle     lays an instance's folder beside the far side's books and says where the promise was broken
    farside    those books: every final dot, what it was answered, and what was kept
"""
