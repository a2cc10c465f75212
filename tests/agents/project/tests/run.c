#include <stdio.h>
#include "calc.h"

int main(void)
{
	int bad = once(3) != 3;

	printf("%d failed\n", bad);
	return bad;
}
