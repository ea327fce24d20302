/* program_private.h - a compiled program: instructions in order, one register each.
 *
 * Instruction i writes register i and reads registers below i only.  A mask is a bitmap
 * of the rows a branch is taken for; mask 0 is the selection itself (no instruction),
 * mask i > 0 is the register of instruction i - 1.     Thread: immutable. */

#ifndef SL_ENGINE_EXPR_PROGRAM_PRIVATE_H
#define SL_ENGINE_EXPR_PROGRAM_PRIVATE_H

#include "engine/expr/vector_private.h"

typedef enum sl_instruction_kind {
    SL_INS_COLUMN,
    SL_INS_LITERAL,
    SL_INS_MASK,
    SL_INS_CALL
} sl_instruction_kind;

/* Which rows of the parent mask stay, by a BOOLEAN (or, for NULL, any) register. */
typedef enum sl_mask_kind {
    SL_MASK_TRUE,
    SL_MASK_NOT_TRUE,
    SL_MASK_NOT_FALSE,
    SL_MASK_NULL
} sl_mask_kind;

typedef struct sl_instruction {
    sl_instruction_kind kind;
    sl_mask_kind mask_kind; /* MASK */
    uint32_t mask;          /* rows that may fail; MASK: the parent */
    const sl_expr *expr;    /* not for MASK */
    uint32_t operand;       /* index of the first operand in sl_program.operands */
    uint32_t operand_count;
} sl_instruction;

struct sl_program {
    uint32_t instruction_count, operand_count, result_count;
    sl_instruction *instructions;
    uint32_t *operands; /* registers */
    uint32_t *results;  /* registers */
};

#endif /* SL_ENGINE_EXPR_PROGRAM_PRIVATE_H */
