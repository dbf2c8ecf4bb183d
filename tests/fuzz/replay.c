/* main() for a fuzz target without libFuzzer: feeds it each file that is named, so that the
 * committed corpus is a test on every machine and under every sanitizer. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    INPUT_BYTES_MAX = 1 << 20
};

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        uint8_t *data = malloc(INPUT_BYTES_MAX);
        if (file == NULL || data == NULL) {
            perror(argv[i]);
            return 1;
        }
        size_t size = fread(data, 1, INPUT_BYTES_MAX, file);
        fclose(file);
        /* an exact copy, so that a read past the end is seen */
        uint8_t *exact = malloc(size > 0 ? size : 1);
        if (exact == NULL)
            return 1;
        for (size_t k = 0; k < size; k++)
            exact[k] = data[k];
        free(data);
        fprintf(stderr, "%s\n", argv[i]);
        (void)LLVMFuzzerTestOneInput(exact, size);
        free(exact);
    }
    return 0;
}
