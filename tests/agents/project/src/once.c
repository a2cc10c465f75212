int once(int x)
{
	return x;
}
