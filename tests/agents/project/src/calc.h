int once(int x);
